#ifndef GPTC_IR_GPT_ATTRS
#define GPTC_IR_GPT_ATTRS

include "ir/gpt/GptDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/TensorEncoding.td"

class GptAttr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<GptDialect, name, traits> {
  let mnemonic = attrMnemonic;
}

def DimAttr : GptAttr<"Dim", "dim"> {
  let summary = "one named dimension: a size, or a bound and an extent's name";
  let description = [{
    `c=128` is static. `b upto 12` has an extent known at run time under the name
    `b`, at most 12. `s upto 64 of t` is called s here and has the extent `t`.
  }];
  let parameters = (ins "::mlir::StringAttr":$name, "int64_t":$size,
                        "::mlir::StringAttr":$extent);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    /// True when the extent is known only at run time; size is then its bound.
    bool isDynamic() const { return static_cast<bool>(getExtent()); }
    /// The same extent and size under another name.
    DimAttr renamed(::llvm::StringRef name) const;
    static DimAttr getStatic(::mlir::MLIRContext *context, ::llvm::StringRef name, int64_t size);
    static DimAttr getBounded(::mlir::MLIRContext *context, ::llvm::StringRef name, int64_t bound, ::llvm::StringRef extent);
  }];
}

def DimsAttr : GptAttr<"Dims", "dims", [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "the dimensions of a tensor or of an iteration space, in order";
  let parameters = (ins ArrayRefParameter<"::gptc::gpt::DimAttr">:$dims);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    size_t size() const { return getDims().size(); }
    DimAttr operator[](size_t i) const { return getDims()[i]; }
    /// Sizes and bounds, in order: the shape of a tensor with these dimensions.
    ::llvm::SmallVector<int64_t> shape() const;
    bool anyDynamic() const;
  }];
}

def ReductionKind : I32EnumAttr<"ReductionKind", "how terms are joined", [
    I32EnumAttrCase<"sum", 0>, I32EnumAttrCase<"max", 1>]> {
  let cppNamespace = "::gptc::gpt";
}

#endif
