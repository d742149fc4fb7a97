# What a consumer gets: the layers as static libraries, pipeline/session.h, transcriber.h, classifier.h and generator.h with the headers they need, the models,
# find_package(rill) and pkg-config. tests/install builds a program against it.
include(CMakePackageConfigHelpers)

set(RILL_HEADERS
  modalities/audio_encoder.h modalities/audio_mel.h modalities/byte_pairs.h modalities/chat_template.h modalities/classify_head.h modalities/ctc_beam.h modalities/ctc_decoder.h
  modalities/forecast_head.h modalities/framer.h modalities/generate_head.h modalities/image_encoder.h modalities/image_fit.h modalities/hotwords.h modalities/lexicon.h modalities/ngram_lm.h
  modalities/ngram_tables.h modalities/pre_tokenizer.h modalities/sampling.h modalities/sensor_encoder.h
  modalities/series_norm.h modalities/sorted_ranges.h modalities/stop_strings.h modalities/text_encoder.h
  modalities/token_index.h modalities/token_sampler.h modalities/tokenizer.h
  modalities/transcribe_head.h modalities/utf8_stream.h modalities/vocabulary.h modalities/word_gate.h
  operators/attention.h operators/block.h operators/causal_conv2d.h operators/conv2d.h operators/cfc.h operators/linear.h
  operators/liquid_scan.h operators/moe.h operators/norm.h operators/projection.h operators/short_conv.h operators/short_conv2d.h operators/swiglu.h
  operators/core/attend.h operators/core/cursor.h operators/core/frames.h operators/core/kernels.h operators/core/mapped_matrix.h operators/core/packed_q8.h operators/core/quant.h operators/core/result.h
  operators/core/scratch.h operators/core/state.h operators/core/view.h operators/core/weights.h operators/core/workers.h
  pipeline/audio_stage.h pipeline/classifier.h pipeline/classify_stage.h pipeline/forecast.h pipeline/generate_stage.h pipeline/generator.h
  pipeline/image_stage.h pipeline/language_model.h pipeline/model.h
  pipeline/session.h pipeline/snapshot.h pipeline/stages.h pipeline/transcribe_stage.h
  pipeline/transcriber.h)
foreach(header ${RILL_HEADERS})
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/rill/${folder})
endforeach()

install(TARGETS rill_operators rill_modalities rill_pipeline EXPORT rillTargets)
install(EXPORT rillTargets NAMESPACE rill:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/rill)
configure_package_config_file(cmake/rillConfig.cmake.in ${PROJECT_BINARY_DIR}/rillConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/rill)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/rillConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES cmake/opencv.cmake ${PROJECT_BINARY_DIR}/rillConfig.cmake ${PROJECT_BINARY_DIR}/rillConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/rill)
configure_file(cmake/rill.pc.in ${PROJECT_BINARY_DIR}/rill.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/rill.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(DIRECTORY models/ DESTINATION ${CMAKE_INSTALL_DATADIR}/rill/models
  FILES_MATCHING PATTERN "*.gguf" PATTERN "*.lm" PATTERN "*.md")
