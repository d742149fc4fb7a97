# rill_layer(NAME SOURCES a.cc ... [DEPS rill::x ...] [PRIVATE_DEPS lib ...])
#
# One static library a layer, rill_NAME with alias rill::NAME. Only what DEPS names can be linked, so an include against
# the order plugins -> pipeline -> modalities -> operators does not link.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Results must not depend on where the compiler happens to fuse a multiply and an add: those are explicit.
add_compile_options(-Wall -Wextra -ffp-contract=off)
if(RILL_SANITIZE)
  add_compile_options(-fsanitize=${RILL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${RILL_SANITIZE})
endif()

function(rill_layer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(rill_${name} STATIC ${ARG_SOURCES})
  add_library(rill::${name} ALIAS rill_${name})
  set_target_properties(rill_${name} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(rill_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/rill>)
  target_compile_features(rill_${name} PUBLIC cxx_std_20)
  target_link_libraries(rill_${name} PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS})
endfunction()
