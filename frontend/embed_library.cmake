# Writes the text of library/*.gpt as C++: cmake -DOUT=... -DFILES=a;b -P this
set(body "#include \"frontend/library.h\"\n\nnamespace gptc {\n\nstatic const LibraryFile files[] = {\n")
foreach(file ${FILES})
  file(READ ${file} text)
  get_filename_component(name ${file} NAME)
  # One raw string a line: no literal grows past what compilers must take.
  string(REPLACE "\n" ")gpt\" \"\\n\"\n     R\"gpt(" text "${text}")
  string(APPEND body "    {\"${name}\",\n     R\"gpt(${text})gpt\",\n     true},\n")
endforeach()
string(APPEND body "};\n\nconst LibraryFile *libraryBegin() { return files; }\n")
string(APPEND body "const LibraryFile *libraryEnd() { return files + sizeof(files) / sizeof(files[0]); }\n\n} // namespace gptc\n")
file(WRITE ${OUT} "${body}")
