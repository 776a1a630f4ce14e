# The Python extension. Every path comes from outside (setup.py): nothing here imports torch, and find_package(Torch)
# is no use because a CUDA wheel's demands the CUDA toolkit.
#   DLSLIME_TORCH_ROOT      the installed torch package        DLSLIME_PYTHON_INCLUDE  where Python.h is
#   DLSLIME_TORCH_VERSION   its version, such as 2.13.0        DLSLIME_EXT_SUFFIX      .cpython-311-x86_64-linux-gnu.so
#   DLSLIME_OUTPUT_DIR      where _C<suffix> and _built_for.py go
foreach(name TORCH_ROOT TORCH_VERSION PYTHON_INCLUDE EXT_SUFFIX OUTPUT_DIR)
  if(NOT DLSLIME_${name})
    message(FATAL_ERROR "DLSLIME_TORCH=ON needs -DDLSLIME_${name}=... (setup.py and `make build` pass it)")
  endif()
endforeach()

file(GLOB torch_ext_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/csrc/torch_ext/*.cpp)
add_library(_C MODULE ${torch_ext_sources})
foreach(name c10 torch_cpu torch_python)
  add_library(torch::${name} SHARED IMPORTED)
  set_target_properties(torch::${name} PROPERTIES IMPORTED_LOCATION ${DLSLIME_TORCH_ROOT}/lib/lib${name}.so)
endforeach()

# torch's own pybind11 must come first: another copy would not know c10d::Backend.
target_include_directories(_C SYSTEM BEFORE PRIVATE ${DLSLIME_TORCH_ROOT}/include
                                                    ${DLSLIME_TORCH_ROOT}/include/torch/csrc/api/include)
target_include_directories(_C SYSTEM PRIVATE ${DLSLIME_PYTHON_INCLUDE})
target_compile_definitions(_C PRIVATE TORCH_EXTENSION_NAME=_C TORCH_API_INCLUDE_EXTENSION_H
                                      DLSLIME_TORCH_VERSION="${DLSLIME_TORCH_VERSION}")
target_link_libraries(_C PRIVATE dlslime_core torch::c10 torch::torch_cpu torch::torch_python)
target_link_options(_C PRIVATE -Wl,--as-needed -Wl,--exclude-libs,ALL)
target_precompile_headers(_C PRIVATE cmake/torch_pch.h)
set_target_properties(_C PROPERTIES PREFIX "" SUFFIX ${DLSLIME_EXT_SUFFIX} LIBRARY_OUTPUT_DIRECTORY
                                                                          ${DLSLIME_OUTPUT_DIR})

# Read before the extension is loaded: one built for another torch minor may crash already in dlopen.
configure_file(${PROJECT_SOURCE_DIR}/cmake/_built_for.py.in ${PROJECT_BINARY_DIR}/_built_for.py @ONLY)
add_custom_command(TARGET _C POST_BUILD COMMAND ${CMAKE_COMMAND} -E copy_if_different
                                                ${PROJECT_BINARY_DIR}/_built_for.py ${DLSLIME_OUTPUT_DIR})
