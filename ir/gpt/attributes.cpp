// DimAttr and DimsAttr: text form and small helpers.
#include "ir/gpt/asm.h"

using namespace mlir;

namespace gptc::gpt {

ParseResult parseDim(AsmParser &parser, DimAttr &dim) {
  std::string name;
  int64_t size;
  SMLoc sizeLoc;
  if (parser.parseKeywordOrString(&name))
    return failure();
  MLIRContext *context = parser.getContext();
  // `<=` would read better, but brackets must balance within an attribute.
  bool bounded = succeeded(parser.parseOptionalKeyword("upto"));
  if ((!bounded && parser.parseEqual()) || parser.getCurrentLocation(&sizeLoc) || parser.parseInteger(size))
    return failure();
  if (size < 0)
    return parser.emitError(sizeLoc) << "size of dimension '" << name << "' is negative: " << size;
  if (!bounded) {
    dim = DimAttr::getStatic(context, name, size);
    return success();
  }
  std::string extent = name;
  if (succeeded(parser.parseOptionalKeyword("of")) && parser.parseKeywordOrString(&extent))
    return failure();
  dim = DimAttr::getBounded(context, name, size, extent);
  return success();
}

void printDim(AsmPrinter &printer, DimAttr dim) {
  printer.printKeywordOrString(dim.getName().getValue());
  printer << (dim.isDynamic() ? " upto " : "=") << dim.getSize();
  if (dim.isDynamic() && dim.getExtent() != dim.getName()) {
    printer << " of ";
    printer.printKeywordOrString(dim.getExtent().getValue());
  }
}

Attribute DimAttr::parse(AsmParser &parser, Type) {
  DimAttr dim;
  if (parser.parseLess() || parseDim(parser, dim) || parser.parseGreater())
    return {};
  return dim;
}

void DimAttr::print(AsmPrinter &printer) const {
  printer << "<";
  printDim(printer, *this);
  printer << ">";
}

Attribute DimsAttr::parse(AsmParser &parser, Type) {
  SmallVector<DimAttr> dims;
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::LessGreater,
                                     [&] { return parseDim(parser, dims.emplace_back()); }))
    return {};
  return DimsAttr::get(parser.getContext(), dims);
}

void DimsAttr::print(AsmPrinter &printer) const {
  printer << "<";
  llvm::interleaveComma(getDims(), printer, [&](DimAttr dim) { printDim(printer, dim); });
  printer << ">";
}

LogicalResult DimsAttr::verifyEncoding(ArrayRef<int64_t> shape, Type,
                                       function_ref<InFlightDiagnostic()> emitError) const {
  if (shape.size() != size())
    return emitError() << "tensor of rank " << shape.size() << " has " << size() << " dims";
  for (size_t i = 0; i < size(); ++i)
    if (shape[i] != (*this)[i].getSize())
      return emitError() << "tensor's dimension " << i << " has size " << shape[i] << ", but its dim "
                         << (*this)[i].getName() << " has " << (*this)[i].getSize();
  return success();
}

DimAttr DimAttr::renamed(StringRef name) const {
  return get(getContext(), StringAttr::get(getContext(), name), getSize(), getExtent());
}

DimAttr DimAttr::getStatic(MLIRContext *context, StringRef name, int64_t size) {
  return get(context, StringAttr::get(context, name), size, StringAttr());
}

DimAttr DimAttr::getBounded(MLIRContext *context, StringRef name, int64_t bound, StringRef extent) {
  return get(context, StringAttr::get(context, name), bound, StringAttr::get(context, extent));
}

SmallVector<int64_t> DimsAttr::shape() const {
  SmallVector<int64_t> sizes;
  for (DimAttr dim : getDims())
    sizes.push_back(dim.getSize());
  return sizes;
}

bool DimsAttr::anyDynamic() const {
  return llvm::any_of(getDims(), [](DimAttr dim) { return dim.isDynamic(); });
}

DimsAttr dimsOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? dyn_cast_or_null<DimsAttr>(tensor.getEncoding()) : DimsAttr();
}

RankedTensorType tensorType(DimsAttr dims, Type element) {
  return RankedTensorType::get(dims.shape(), element, dims);
}

RankedTensorType tensorType(MLIRContext *context, ArrayRef<DimAttr> dims, Type element) {
  return tensorType(DimsAttr::get(context, dims), element);
}

} // namespace gptc::gpt
