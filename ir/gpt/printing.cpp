// Text form of the ops that have one of their own.
#include "ir/gpt/asm.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace gptc::gpt {
namespace {

//===-- Maps by names --------------------------------------------------------===//

/// What dims are called within maps: their names, or `d0`, `d1` ... where a name
/// is taken or cannot stand in an affine expression.
SmallVector<std::string> mapNames(ArrayRef<DimAttr> dims) {
  static const llvm::StringSet<> reserved = {"floordiv", "ceildiv", "mod", "symbol", "loc"};
  SmallVector<std::string> names;
  llvm::StringSet<> taken;
  for (auto [i, dim] : llvm::enumerate(dims)) {
    StringRef name = dim.getName().getValue();
    bool plain = !name.empty() && !llvm::isDigit(name[0]) && !reserved.contains(name) &&
                 llvm::all_of(name, [](char c) { return llvm::isAlnum(c) || c == '_'; });
    // `s0` is a symbol, `d0` a dimension by its place.
    bool positional = plain && (name[0] == 'd' || name[0] == 's') && name.size() > 1 &&
                      llvm::all_of(name.drop_front(), llvm::isDigit);
    bool free = plain && !positional && taken.insert(name).second;
    names.push_back(free ? name.str() : "d" + std::to_string(i));
  }
  return names;
}

/// `-expr` where `expr` is a negative constant or a product with one, else null:
/// `t + -1` reads `t - 1`.
AffineExpr oppositeOf(AffineExpr expr) {
  auto product = dyn_cast<AffineBinaryOpExpr>(expr);
  if (product && product.getKind() != AffineExprKind::Mul)
    return {};
  auto constant = dyn_cast<AffineConstantExpr>(product ? product.getRHS() : expr);
  if (!constant || constant.getValue() >= 0 || constant.getValue() == INT64_MIN)
    return {};
  AffineExpr positive = getAffineConstantExpr(-constant.getValue(), expr.getContext());
  return product ? product.getLHS() * positive : positive;
}

void printIndex(OpAsmPrinter &printer, AffineExpr expr, ArrayRef<std::string> names) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    if (dim.getPosition() < names.size())
      printer << names[dim.getPosition()];
    else
      printer << "d" << dim.getPosition();
    return;
  }
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr)) {
    printer << "s" << symbol.getPosition();
    return;
  }
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    printer << constant.getValue();
    return;
  }
  auto binary = cast<AffineBinaryOpExpr>(expr);
  AffineExpr lhs = binary.getLHS(), rhs = binary.getRHS();
  StringRef sign = " + ";
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    if (AffineExpr opposite = oppositeOf(rhs)) {
      sign = " - ";
      rhs = opposite;
    }
    break;
  case AffineExprKind::Mul: sign = " * "; break;
  case AffineExprKind::Mod: sign = " mod "; break;
  case AffineExprKind::FloorDiv: sign = " floordiv "; break;
  default: sign = " ceildiv ";
  }
  // A sum takes products as they are; everything else sits in parentheses.
  auto printPart = [&](AffineExpr part, bool nested) {
    printer << (nested ? "(" : "");
    printIndex(printer, part, names);
    printer << (nested ? ")" : "");
  };
  bool sum = expr.getKind() == AffineExprKind::Add;
  printPart(lhs, !sum && isa<AffineBinaryOpExpr>(lhs));
  printer << sign;
  printPart(rhs, isa<AffineBinaryOpExpr>(rhs) && (!sum || rhs.getKind() == AffineExprKind::Add));
}

void printMap(OpAsmPrinter &printer, AffineMap map, ArrayRef<std::string> names) {
  printer << "[";
  llvm::interleaveComma(map.getResults(), printer,
                        [&](AffineExpr expr) { printIndex(printer, expr, names); });
  printer << "]";
}

using Variables = SmallVector<std::pair<StringRef, AffineExpr>>;

ParseResult parseMap(OpAsmParser &parser, size_t numDims, size_t numSymbols, ArrayRef<std::string> names,
                     AffineMap &map) {
  MLIRContext *context = parser.getContext();
  SmallVector<std::string> symbolNames;
  for (size_t i = 0; i < numSymbols; ++i)
    symbolNames.push_back("s" + std::to_string(i));
  Variables variables;
  for (auto [i, name] : llvm::enumerate(names))
    variables.emplace_back(name, getAffineDimExpr(i, context));
  for (auto [i, name] : llvm::enumerate(symbolNames))
    variables.emplace_back(name, getAffineSymbolExpr(i, context));
  SmallVector<AffineExpr> results;
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, [&] {
        return parser.parseAffineExpr(variables, results.emplace_back());
      }))
    return failure();
  map = AffineMap::get(numDims, numSymbols, results, context);
  return success();
}

//===-- Parts of structured ops ----------------------------------------------===//

void printSpace(OpAsmPrinter &printer, DimsAttr dims, size_t numParallel, bool bar) {
  printer << "[";
  for (size_t i = 0; i < dims.size(); ++i) {
    if (bar && i == numParallel)
      printer << (i ? " | " : "| ");
    else if (i)
      printer << ", ";
    printDim(printer, dims[i]);
  }
  if (bar && numParallel >= dims.size())
    printer << " |";
  printer << "]";
}

/// `[t=64 | c=128]`; without a bar all dims are parallel.
ParseResult parseSpace(OpAsmParser &parser, SmallVectorImpl<DimAttr> &dims, int64_t &numParallel) {
  numParallel = -1;
  if (parser.parseLSquare())
    return failure();
  bool first = true;
  while (failed(parser.parseOptionalRSquare())) {
    if (numParallel < 0 && succeeded(parser.parseOptionalVerticalBar())) {
      numParallel = dims.size();
      first = true;
      continue;
    }
    if ((!first && parser.parseComma()) || parseDim(parser, dims.emplace_back()))
      return failure();
    first = false;
  }
  if (numParallel < 0)
    numParallel = dims.size();
  return success();
}

void printOperands(OpAsmPrinter &printer, StringRef keyword, ValueRange operands, ArrayAttr maps,
                   size_t firstMap, ArrayRef<std::string> names) {
  if (operands.empty())
    return;
  printer << " " << keyword << "(";
  for (auto [i, operand] : llvm::enumerate(operands)) {
    printer << (i ? ", " : "") << operand;
    printMap(printer, cast<AffineMapAttr>(maps[firstMap + i]).getValue(), names);
    printer << " : " << operand.getType();
  }
  printer << ")";
}

struct Operands {
  SmallVector<OpAsmParser::UnresolvedOperand> names;
  SmallVector<Type> types;
};

/// `keyword(%x[t, c] : type, ...)`, or nothing.
ParseResult parseOperands(OpAsmParser &parser, StringRef keyword, size_t numSymbols,
                          ArrayRef<std::string> names, SmallVectorImpl<AffineMap> &maps, Operands &operands) {
  if (failed(parser.parseOptionalKeyword(keyword)))
    return success();
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, [&]() -> ParseResult {
    return failure(parser.parseOperand(operands.names.emplace_back()) ||
                   parseMap(parser, names.size(), numSymbols, names, maps.emplace_back()) ||
                   parser.parseColonType(operands.types.emplace_back()));
  });
}

/// Index operands and inputs, in this order.
ParseResult parseIndexedOperands(OpAsmParser &parser, OperationState &state, ArrayRef<std::string> names,
                                 SmallVectorImpl<AffineMap> &maps, std::array<int32_t, 2> &segments) {
  Operands indices, inputs;
  SMLoc loc = parser.getCurrentLocation();
  if (parseOperands(parser, "indices", 0, names, maps, indices) ||
      parseOperands(parser, "inputs", indices.names.size(), names, maps, inputs) ||
      parser.resolveOperands(indices.names, indices.types, loc, state.operands) ||
      parser.resolveOperands(inputs.names, inputs.types, loc, state.operands))
    return failure();
  segments = {static_cast<int32_t>(indices.names.size()), static_cast<int32_t>(inputs.names.size())};
  return success();
}

ParseResult parseTensors(OpAsmParser &parser, OperationState &state, int32_t &count) {
  Operands operands;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, [&]() -> ParseResult {
        return failure(parser.parseOperand(operands.names.emplace_back()) ||
                       parser.parseColonType(operands.types.emplace_back()));
      }))
    return failure();
  count = operands.names.size();
  return parser.resolveOperands(operands.names, operands.types, loc, state.operands);
}

void printTensors(OpAsmPrinter &printer, ValueRange operands) {
  printer << "(";
  llvm::interleaveComma(operands, printer,
                        [&](Value value) { printer << value << " : " << value.getType(); });
  printer << ")";
}

ParseResult parseTypes(OpAsmParser &parser, OperationState &state, int32_t &count) {
  SmallVector<Type> types;
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren,
                                     [&] { return parser.parseType(types.emplace_back()); }))
    return failure();
  count = types.size();
  state.addTypes(types);
  return success();
}

void printTypes(OpAsmPrinter &printer, TypeRange types) {
  printer << "(";
  llvm::interleaveComma(types, printer);
  printer << ")";
}

ParseResult parseEnd(OpAsmParser &parser, OperationState &state) {
  return failure(parser.parseOptionalAttrDictWithKeyword(state.attributes) ||
                 parser.parseRegion(*state.addRegion()));
}

void printEnd(OpAsmPrinter &printer, Operation *op, ArrayRef<StringRef> elided) {
  printer.printOptionalAttrDictWithKeyword(op->getAttrs(), elided);
  printer << " ";
  printer.printRegion(op->getRegion(0));
}

} // namespace

//===-- variable --------------------------------------------------------------===//

// gpt.variable parameter @blocks.w : tensor<...> copies 1 path ["blocks", "*", "w"]

ParseResult VariableOp::parse(OpAsmParser &parser, OperationState &state) {
  Properties &properties = state.getOrAddProperties<Properties>();
  Builder &builder = parser.getBuilder();
  bool parameter = succeeded(parser.parseOptionalKeyword("parameter"));
  if (!parameter && parser.parseKeyword("state", " or 'parameter'"))
    return failure();
  if (parameter)
    properties.parameter = builder.getUnitAttr();
  Type type;
  if (parser.parseSymbolName(properties.sym_name) || parser.parseColonType(type))
    return failure();
  properties.type = TypeAttr::get(type);
  int64_t copies = 0;
  if (succeeded(parser.parseOptionalKeyword("copies")) && parser.parseInteger(copies))
    return failure();
  properties.copies = builder.getI64IntegerAttr(copies);
  int64_t positions = 0;
  if (succeeded(parser.parseOptionalKeyword("positions"))) {
    if (parser.parseInteger(positions))
      return failure();
    properties.positions = builder.getI64IntegerAttr(positions);
  }
  SmallVector<std::string> path;
  if (parser.parseKeyword("path") || parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, [&] {
        return parser.parseString(&path.emplace_back());
      }))
    return failure();
  SmallVector<StringRef> parts(path.begin(), path.end());
  properties.path = builder.getStrArrayAttr(parts);
  return parser.parseOptionalAttrDict(state.attributes);
}

void VariableOp::print(OpAsmPrinter &printer) {
  printer << (getParameter() ? " parameter " : " state ");
  printer.printSymbolName(getSymName());
  printer << " : " << getType();
  if (getCopies() != 0)
    printer << " copies " << getCopies();
  if (getPositions())
    printer << " positions " << *getPositions();
  printer << " path " << getPath();
  printer.printOptionalAttrDict((*this)->getAttrs(), {"sym_name", "type", "parameter", "copies", "path", "positions"});
}

//===-- generic ---------------------------------------------------------------===//

// %h = gpt.generic sum [t=64, j=256 | c=128] inputs(%x[t, c] : tensor<...>, %w[c, j] : tensor<...>)
//        -> (tensor<...>) { ^bb0(%a: f32, %b: f32): ... }

ParseResult GenericOp::parse(OpAsmParser &parser, OperationState &state) {
  Properties &properties = state.getOrAddProperties<Properties>();
  Builder &builder = parser.getBuilder();
  for (ReductionKind kind : {ReductionKind::sum, ReductionKind::max})
    if (!properties.reduction && succeeded(parser.parseOptionalKeyword(stringifyReductionKind(kind))))
      properties.reduction = ReductionKindAttr::get(builder.getContext(), kind);
  SmallVector<DimAttr> dims;
  int64_t numParallel;
  if (parseSpace(parser, dims, numParallel))
    return failure();
  SmallVector<AffineMap> maps;
  std::array<int32_t, 2> &segments = properties.operandSegmentSizes;
  int32_t numResults;
  if (parseIndexedOperands(parser, state, mapNames(dims), maps, segments) || parser.parseArrow() ||
      parseTypes(parser, state, numResults))
    return failure();
  properties.dims = DimsAttr::get(builder.getContext(), dims);
  properties.num_parallel = builder.getI64IntegerAttr(numParallel);
  properties.maps = builder.getAffineMapArrayAttr(maps);
  return parseEnd(parser, state);
}

void GenericOp::print(OpAsmPrinter &printer) {
  SmallVector<std::string> names = mapNames(getDims().getDims());
  printer << " ";
  if (auto reduction = getReduction())
    printer << stringifyReductionKind(*reduction) << " ";
  size_t numParallel = getNumParallel();
  printSpace(printer, getDims(), numParallel, isReduction() || numParallel != getNumDims());
  printOperands(printer, "indices", getIndices(), getMaps(), 0, names);
  printOperands(printer, "inputs", getInputs(), getMaps(), getIndices().size(), names);
  printer << " -> ";
  printTypes(printer, getResultTypes());
  printEnd(printer, *this, {"dims", "num_parallel", "maps", "reduction", "operandSegmentSizes"});
}

//===-- scatter ---------------------------------------------------------------===//

// %g = gpt.scatter [t=64, c=128] indices(%token[t] : ...) inputs(%d[t, c] : ...) at [s0, c] -> tensor<...>
// {...}

ParseResult ScatterOp::parse(OpAsmParser &parser, OperationState &state) {
  Properties &properties = state.getOrAddProperties<Properties>();
  Builder &builder = parser.getBuilder();
  SmallVector<DimAttr> dims;
  int64_t numParallel;
  SMLoc loc = parser.getCurrentLocation();
  if (parseSpace(parser, dims, numParallel))
    return failure();
  if (numParallel != static_cast<int64_t>(dims.size()))
    return parser.emitError(loc) << "dims of a scatter have no bar";
  SmallVector<AffineMap> maps;
  SmallVector<std::string> names = mapNames(dims);
  std::array<int32_t, 2> &segments = properties.operandSegmentSizes;
  Type result;
  if (parseIndexedOperands(parser, state, names, maps, segments) || parser.parseKeyword("at") ||
      parseMap(parser, dims.size(), segments[0], names, maps.emplace_back()) || parser.parseArrow() ||
      parser.parseType(result))
    return failure();
  state.addTypes(result);
  properties.dims = DimsAttr::get(builder.getContext(), dims);
  properties.maps = builder.getAffineMapArrayAttr(maps);
  return parseEnd(parser, state);
}

void ScatterOp::print(OpAsmPrinter &printer) {
  SmallVector<std::string> names = mapNames(getDims().getDims());
  printer << " ";
  printSpace(printer, getDims(), getNumDims(), false);
  printOperands(printer, "indices", getIndices(), getMaps(), 0, names);
  printOperands(printer, "inputs", getInputs(), getMaps(), getIndices().size(), names);
  printer << " at ";
  printMap(printer, getResultMap(), names);
  printer << " -> " << getType();
  printEnd(printer, *this, {"dims", "maps", "operandSegmentSizes"});
}

//===-- repeat ----------------------------------------------------------------===//

// %r:2 = gpt.repeat 4 reverse inits(%x : type) stacked(%w : type) -> (carried types) stacks(types) {
//   ^bb0(%copy: tensor<i32, #scalar>, %x: ..., %w: ...): ...
// }

ParseResult RepeatOp::parse(OpAsmParser &parser, OperationState &state) {
  Properties &properties = state.getOrAddProperties<Properties>();
  int64_t count;
  if (parser.parseInteger(count))
    return failure();
  properties.count = parser.getBuilder().getI64IntegerAttr(count);
  if (succeeded(parser.parseOptionalKeyword("reverse")))
    properties.reverse = parser.getBuilder().getUnitAttr();
  int32_t inits = 0, stacked = 0, carried = 0, stacks = 0;
  if (succeeded(parser.parseOptionalKeyword("inits")) && parseTensors(parser, state, inits))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("stacked")) && parseTensors(parser, state, stacked))
    return failure();
  if (succeeded(parser.parseOptionalArrow()) && parseTypes(parser, state, carried))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("stacks")) && parseTypes(parser, state, stacks))
    return failure();
  properties.operandSegmentSizes = {inits, stacked};
  properties.resultSegmentSizes = {carried, stacks};
  return parseEnd(parser, state);
}

void RepeatOp::print(OpAsmPrinter &printer) {
  printer << " " << getCount();
  if (getReverse())
    printer << " reverse";
  if (!getInits().empty()) {
    printer << " inits";
    printTensors(printer, getInits());
  }
  if (!getStacked().empty()) {
    printer << " stacked";
    printTensors(printer, getStacked());
  }
  if (!getCarried().empty()) {
    printer << " -> ";
    printTypes(printer, getCarried().getTypes());
  }
  if (!getStacks().empty()) {
    printer << " stacks";
    printTypes(printer, getStacks().getTypes());
  }
  printEnd(printer, *this, {"count", "reverse", "operandSegmentSizes", "resultSegmentSizes"});
}

//===-- kernel ----------------------------------------------------------------===//

// %y = gpt.kernel(%x : type, %w : type) -> (type) { ^bb0(%x: type, %w: type): ... }

ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &state) {
  int32_t count;
  return failure(parseTensors(parser, state, count) || parser.parseArrow() ||
                 parseTypes(parser, state, count) || parseEnd(parser, state));
}

void KernelOp::print(OpAsmPrinter &printer) {
  printTensors(printer, getInputs());
  printer << " -> ";
  printTypes(printer, getResultTypes());
  printEnd(printer, *this, {});
}

} // namespace gptc::gpt
