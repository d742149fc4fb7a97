# What a consumer gets: the layers as static libraries, the public header and what it needs, models.
include(CMakePackageConfigHelpers)
