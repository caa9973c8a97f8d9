// Preset `tsan`: libraries that were built without ThreadSanitizer, such as the OpenMP runtime,
// hide their synchronisation from it; what they do themselves is not its business.
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() { return "ignore_noninstrumented_modules=1"; }
