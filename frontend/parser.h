// Text to syntax tree.
#pragma once

#include "frontend/ast.h"

namespace gptc {

/// Parses one file of `sources`. Reports every error it finds and returns what
/// could be read all the same (statements that failed are left out).
ast::File parse(const SourceManager &sources, int32_t file, Diagnostics &diagnostics);

/// Parses a text that is one value, as in train { }. Null where there are errors, which are reported.
ast::ExprPtr parseValue(const SourceManager &sources, int32_t file, Diagnostics &diagnostics);

/// Prints the tree in canonical form: parsing the result gives the same tree.
std::string print(const ast::File &file);
std::string print(const ast::Expr &expr);

} // namespace gptc
