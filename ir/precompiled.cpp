// Nothing: the target that precompiled.h is compiled for needs a source.
