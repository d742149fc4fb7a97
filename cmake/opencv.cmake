# Target rill_opencv: the two modules of OpenCV that Rill uses. Not by its CMake package, which only the package with every
# module brings. Installed too, for find_package(rill).
find_path(RILL_OPENCV_INCLUDE_DIR opencv2/core.hpp PATH_SUFFIXES opencv4 REQUIRED)
add_library(rill_opencv INTERFACE IMPORTED)
foreach(module core imgproc)
  find_library(RILL_OPENCV_${module} opencv_${module} REQUIRED)
  target_link_libraries(rill_opencv INTERFACE ${RILL_OPENCV_${module}})
endforeach()
target_include_directories(rill_opencv SYSTEM INTERFACE ${RILL_OPENCV_INCLUDE_DIR})
