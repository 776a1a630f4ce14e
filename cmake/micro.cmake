# bench/micro/*.cc become one executable, bench_micro. See `make bench-micro`.
find_package(benchmark REQUIRED) # Debian: libbenchmark-dev
file(GLOB micro_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/micro/*.cc)
add_executable(bench_micro ${micro_sources})
target_include_directories(bench_micro PRIVATE ${PROJECT_SOURCE_DIR}/bench)
target_link_libraries(bench_micro PRIVATE dlslime_core benchmark::benchmark benchmark::benchmark_main)
