# RUN: %python %s %t
"""Files without an end are refused at once, a pipe is read once and whole, `run` ends when it is told to, and what is
quoted in messages is cut."""
import threading
import time

from harness import *

work_directory()
write("text.txt", text())
write("leaf.csv", table())
plain = "rows x[1] = columns(a)\noutput x\n"


def quick(name, words, message, code=1):
    began = time.monotonic()
    result = gptc(*words, timeout=60)
    check(name, result.code == code and result.out == "" and message in result.err and time.monotonic() - began < 20
          and len(result.err) < 3000, result.code, result.err[:500])
    return result


#===-- Devices -------------------------------------------------------------------===#
device = "it is a device, which has no end"
large = "more than the 16777216 bytes that a model file may have"
write("use.gpt", 'use "/dev/zero"\n' + plain)
write("file.gpt", 'rows x[1] = columns(a)\nparam w[1] = file("/dev/zero")\nlet y[i] = x[i] * w[i]\noutput y\n')
write("tokenizer.gpt", 'text t[n < 8]: tokenizer("/dev/zero")\noutput t[0]\n')
for path in ("/dev/zero", "/dev/urandom"):
    quick(f"a model: {path}", ["check", path], large)
    quick(f"data: {path}", ["train", tiny, "--data", path, "-o", "new"], device)
    quick(f"a prompt's text: {path}", ["tokenizer", "train", "--vocabulary", "300", "--data", path, "-o", "t.json"], device)
quick("use", ["check", "use.gpt"], large)
quick("file(...)", ["check", "file.gpt"], large)
quick("tokenizer(...)", ["check", "tokenizer.gpt"], device)
quick("nothing", ["train", tiny, "--data", "/dev/null", "-o", "new"], "/dev/null")
check("no run is left", not os.path.exists("new"))

#===-- Pipes ---------------------------------------------------------------------===#


def shell(command, timeout=300):
    return run(["bash", "-c", command], timeout=timeout)


train("file")
for name, command in [
    ("a pipe of the shell", f"gptc train {tiny} --data <(cat text.txt) -o NAME"),
    ("/dev/stdin", f"cat text.txt | gptc train {tiny} --data /dev/stdin -o NAME"),
    ("-", f"cat text.txt | gptc train {tiny} --data - -o NAME"),
]:
    out = "pipe" + str(len(name))
    result = shell(command.replace("NAME", out))
    if check(f"training on {name}", result.code == 0, result):
        check(f"training on {name}: the same bits", weights(out) == weights("file"))
        result = gptc("train", "--resume", out, "--set", "steps=20")
        check(f"{name} cannot be resumed without data", result.code == 1 and "a pipe cannot be read again" in result.err,
              result)
        result = gptc("train", "--resume", out, "--data", "text.txt")
        check(f"{name} is resumed with data", result.code == 0, result)
succeed("train", leaf, "--data", "leaf.csv", "-o", "leaves", "--set", "steps=2")
direct = succeed("run", "leaves", "--data", "leaf.csv")
result = shell("gptc run leaves --data <(cat leaf.csv)")
check("run on a pipe", result.code == 0 and result.out == direct.out, result)
result = shell(f"gptc eval file --data <(cat text.txt)")
check("eval on a pipe", result.code == 0, result)
result = shell("yes abcdefghijklmnopqrstuvwxyz | gptc train " + tiny + " --data - -o new")
check("a pipe without an end", result.code == 1 and "more than 1024 MiB come from it; put them into a file" in result.err, result)

#===-- Ending --------------------------------------------------------------------===#
write("long.gpt", "rows x[1] = columns(a)\nlet y[i: 3000000] = x[0] * float(i)\noutput y\n")
write("one.csv", "a\n" + "1.5\n" * 2000)
for number in (signal.SIGTERM, signal.SIGINT):
    process = subprocess.Popen(["gptc", "run", "long.gpt", "--data", "one.csv"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, preexec_fn=own_signals)
    time.sleep(2)
    began = time.monotonic()
    process.send_signal(number)
    process.wait(timeout=60)
    check(f"run ends at the first {number.name}", process.returncode == 130 and time.monotonic() - began < 2,
          process.returncode, process.stderr.read())
process = subprocess.Popen(["gptc", "run", "long.gpt", "--data", "one.csv"], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, preexec_fn=own_signals)
process.stdout.read(10)
process.stdout.close()
began = time.monotonic()
process.wait(timeout=60)
check("run ends where nobody reads", process.returncode == 1 and time.monotonic() - began < 10
      and process.stderr.read() == b"", process.returncode)

#===-- What is quoted ------------------------------------------------------------===#
word = "z" * 100000
write("wide.csv", f"red,green,blue,volume,kind\n1,2,{word},4,leaf\n")
quick("a field", ["run", leaf, "--data", "wide.csv"], "wide.csv:2:5: 'zzz")
write("class.csv", f"red,green,blue,volume,kind\n1,2,3,4,{word}\n")
quick("a class", ["train", leaf, "--data", "class.csv", "-o", "new"], "no class of column 'kind'")
write("head.csv", f"{word},{word}\n1,2\n")
quick("a column twice", ["train", leaf, "--data", "head.csv", "-o", "new"], "two columns are called 'zzz")
write("heads.csv", ",".join(f"c{i}" for i in range(5000)) + "\n")
quick("thousands of columns", ["train", leaf, "--data", "heads.csv", "-o", "new"], "there is no column 'red'")
write("name.gpt", f"rows x[1] = columns(a)\nlet y[i] = x[i] + {word}\noutput y\n")
quick("a name", ["check", "name.gpt"], "unknown name 'zzz")
write("line.gpt", "rows x[1] = columns(a)\nlet y[i] = " + "x[i] + " * 5000 + "q\noutput y\n")
quick("a long line", ["check", "line.gpt"], "unknown name 'q'")
write("bytes.gpt", b"rows x[1] = columns(a)\nlet y = \x01\x1b[31m\x02\noutput y\n")
result = quick("bytes that are no text", ["check", "bytes.gpt"], "bytes.gpt:2:9")
check("no escape reaches the terminal", "\x1b" not in result.err and "\x01" not in result.err, result)
quick("an option", ["check", "--" + word], "unknown option `--zzz", code=2)
quick("a setting", ["check", tiny, "--set", f"{word}=1"], "zzz")
write("ids.gpt", "text t[n < 8]: ids(5)\nparam e[vocabulary, 2] = 1\nlet y[j] = e[t[0], j]\noutput y\n")
write("ids.txt", "1 2 " + word)
quick("an id", ["run", "ids.gpt", "--data", "ids.txt"], "ids.txt:1:5: 'zzz")
write("twice.safetensors", make_safetensors(f'{{"{word}": 1, "{word}": 2}}'.encode(), b""))
quick("a tensor's name", ["train", tiny, "--data", "text.txt", "--init", "twice.safetensors", "-o", "new"], "occurs twice")
finish()
