# lit: every .mlir and .gpt file with RUN lines below tests/ is a test.
import os
import sys

import lit.formats

config.name = "gptc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".gpt", ".test"]
config.excludes = ["unit", "inputs", "differential", "corpus"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.binary_dir, "tests", "lit")

path = [os.path.join(config.binary_dir, "bin"), config.llvm_bin, os.environ.get("PATH", "")]
config.environment["PATH"] = os.pathsep.join(path)
# A test says what it needs; nothing else of the user's terminal reaches it.
config.environment["CI"] = "1"
config.substitutions.append(("%python", sys.executable))
config.substitutions.append(("%root", config.source_dir))
config.substitutions.append(("%inputs", os.path.join(config.test_source_root, "inputs")))

# Files of others with the library that reads them: an npm folder with `tokenizers` and packages of tokenizer.json
# (tests/tools/foreign_tokenizers.mjs). Few have one, and the test is then unsupported.
npm = os.environ.get("GPTC_TOKENIZERS", "")
if os.path.isdir(os.path.join(npm, "node_modules", "tokenizers")):
    config.available_features.add("npm-tokenizers")
    config.substitutions.append(("%tokenizers", os.path.abspath(npm)))

# Real text beside the checkout: a user's clone has none, and these tests are then unsupported.
shared = os.path.join(config.source_dir, "..", "shared", "data")
if os.path.isdir(shared):
    config.available_features.add("shared-data")
    config.substitutions.append(("%shared", os.path.abspath(shared)))
