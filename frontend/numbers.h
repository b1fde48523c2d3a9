// Initial values from files of numbers; a model's text that needs no other file.
#pragma once

#include "frontend/elaborate.h"

namespace gptc::typed {

/// Finds the text of `file("w.csv")` (beside the file that says it) or of
/// `numbers("...")`. A span of it; none, with an error, where it cannot be read.
std::optional<Span> numberSource(SourceManager &sources, const ast::Expr &call, Diagnostics &diagnostics);

/// The model's files as one text: what `use` names stands before its user, and
/// `file(...)` has become `numbers("...")`.
std::string standAlone(SourceManager &sources, const Program &program);

/// What stands before the last slash of a path, with it; may be empty.
std::string folderOf(const std::string &path);

} // namespace gptc::typed
