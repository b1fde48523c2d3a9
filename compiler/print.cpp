#include "compiler/print.h"

#include "runtime/files.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <map>

using namespace gptc;

/// All places in files that a location speaks of, the nearest first.
static void collectPlaces(mlir::Location location, llvm::SmallVectorImpl<mlir::FileLineColLoc> &places) {
  if (auto file = llvm::dyn_cast<mlir::FileLineColLoc>(location)) {
    places.push_back(file);
  } else if (auto name = llvm::dyn_cast<mlir::NameLoc>(location)) {
    collectPlaces(name.getChildLoc(), places);
  } else if (auto call = llvm::dyn_cast<mlir::CallSiteLoc>(location)) {
    collectPlaces(call.getCallee(), places);
    collectPlaces(call.getCaller(), places);
  } else if (auto fused = llvm::dyn_cast<mlir::FusedLoc>(location)) {
    for (mlir::Location part : fused.getLocations())
      collectPlaces(part, places);
  }
}

namespace {
/// Finds the text of the model's lines in the module itself.
class SourceLines {
public:
  explicit SourceLines(mlir::ModuleOp module) {
    if (auto source = module->getAttrOfType<mlir::StringAttr>("gpt.source"))
      source.getValue().split(lines, '\n');
    if (auto file = module->getAttrOfType<mlir::StringAttr>("gpt.file"))
      model = file.getValue();
  }

  /// `model.gpt:12: let h = ...`, or "" where the location knows no file.
  std::string describe(mlir::Location location) const {
    llvm::SmallVector<mlir::FileLineColLoc> places;
    collectPlaces(location, places);
    if (places.empty())
      return "";
    std::string nearest = print(places.front());
    // What the library did is of interest for the line of the model that used it.
    for (mlir::FileLineColLoc place : places)
      if (place.getFilename() == model && place != places.front())
        return nearest + "  <-  " + print(place);
    return nearest;
  }

private:
  std::string print(mlir::FileLineColLoc place) const {
    std::string text =
        llvm::formatv("{0}:{1}", llvm::sys::path::filename(place.getFilename()), place.getLine());
    if (place.getFilename() == model && place.getLine() >= 1 && place.getLine() <= lines.size())
      text += ": " + lines[place.getLine() - 1].split('#').first.trim().str();
    return text;
  }

  llvm::SmallVector<llvm::StringRef> lines;
  llvm::StringRef model;
};
} // namespace

std::string gptc::printModule(mlir::ModuleOp module, const PrintOptions &options) {
  mlir::OpPrintingFlags flags;
  flags.enableDebugInfo();
  flags.printNameLocAsPrefix();
  if (options.elideConstants)
    flags.elideLargeElementsAttrs();
  mlir::AsmState::LocationMap printedAt;
  mlir::AsmState state(module, flags, &printedAt);
  std::string text;
  llvm::raw_string_ostream out(text);
  module->print(out, state);
  text += '\n';
  if (!options.sourceLines)
    return text;

  std::map<unsigned, std::pair<unsigned, mlir::Operation *>> startOfLine;
  for (auto &[op, place] : printedAt) {
    auto [entry, added] = startOfLine.try_emplace(place.first, place.second, op);
    if (!added && place.second < entry->second.first)
      entry->second = {place.second, op};
  }
  SourceLines source(module);
  llvm::SmallVector<llvm::StringRef> lines;
  llvm::StringRef(text).split(lines, '\n');
  lines.pop_back(); // after the last newline
  std::string result, last;
  for (unsigned i = 0; i < lines.size(); ++i) {
    auto entry = startOfLine.find(i + 1);
    llvm::StringRef indent = lines[i].take_while([](char c) { return c == ' '; });
    if (entry != startOfLine.end() && entry->second.first <= indent.size() + 1) {
      std::string comment = source.describe(entry->second.second->getLoc());
      if (!comment.empty() && comment != last) {
        result += indent.str() + "// " + comment + "\n";
        last = comment;
      }
    }
    result += lines[i].str() + "\n";
  }
  return result;
}

std::string gptc::sourceLine(mlir::ModuleOp module, mlir::Location location) {
  return SourceLines(module).describe(location);
}

mlir::LogicalResult gptc::writeText(const std::string &path, llvm::StringRef text, std::string &error) {
  llvm::Error written = runtime::atomicWriteFile(path, text);
  if (!written)
    return mlir::success();
  error = llvm::toString(std::move(written));
  return mlir::failure();
}

DumpFiles::DumpFiles(const std::string &directory, const char *program) {
  if (directory.empty())
    return;
  llvm::SmallString<128> path(directory);
  llvm::sys::path::append(path, program);
  if (llvm::Error error = runtime::makeDirectories(path)) {
    llvm::errs() << "gptc: warning: no IR dumped: " << llvm::toString(std::move(error)) << "\n";
    return;
  }
  this->directory = path.str().str();
}

void DumpFiles::before(mlir::ModuleOp module) {
  if (!directory.empty())
    fingerprint.emplace(module);
}

bool DumpFiles::changed(mlir::ModuleOp module) const {
  return fingerprint && *fingerprint != mlir::OperationFingerPrint(module);
}

void DumpFiles::after(llvm::StringRef stage, const std::string &pass, mlir::ModuleOp module, bool changed) {
  unsigned place = number++;
  if (directory.empty() || !changed)
    return;
  PrintOptions options;
  options.elideConstants = true;
  std::string name = llvm::formatv("{0,0+2}-{1}", place, stage), header;
  if (!pass.empty()) {
    // `func.func(canonicalize,cse)` gives `canonicalize-cse`.
    llvm::StringRef inner = pass;
    if (inner.consume_front("func.func("))
      inner = inner.drop_back();
    name += ".";
    for (char c : inner.split('{').first)
      name += llvm::isAlnum(c) ? c : '-';
    header = "// gptc-opt --pass-pipeline='builtin.module(" + pass + ")'\n";
  }
  write(name + ".mlir", header + printModule(module, options));
}

void DumpFiles::code(llvm::StringRef stage, llvm::StringRef suffix, llvm::StringRef text) {
  if (!directory.empty())
    write((stage + "." + suffix).str(), text);
}

void DumpFiles::write(const std::string &name, llvm::StringRef text) {
  std::string error;
  if (mlir::failed(writeText(directory + "/" + name, text, error)))
    llvm::errs() << "gptc: warning: " << error << "\n";
}
