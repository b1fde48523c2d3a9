#include "support/source_tree.h"

#include <fstream>
#include <sstream>

std::string gptc::test::sourcePath(const std::string &file) {
  return std::string(GPTC_SOURCE_DIR) + "/" + file;
}

std::string gptc::test::sourceText(const std::string &file) {
  std::ifstream in(sourcePath(file));
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}
