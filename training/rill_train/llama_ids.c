// The ids that llama.cpp gives texts, for tests/goldens/tokenizer_golden.gguf.
//
//   llama_ids MODEL <cases >ids
//
// Standard input holds cases: a byte that is 1 where special tokens are found in the text, its
// length as uint32, the text. Standard output holds for each the count of its ids and the ids, all
// int32. export_tokenizer_golden.py compiles this against what ../shared/peers/llama_setup.sh installs.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "ggml-backend.h"
#include "llama.h"

static void fail(const char *what) {
  fprintf(stderr, "llama_ids: %s\n", what);
  exit(1);
}

static void quiet(enum ggml_log_level level, const char *text, void *data) {
  (void)data;
  if (level >= GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
}

int main(int count, char **arguments) {
  if (count != 2) fail("usage: llama_ids MODEL <cases >ids");
  llama_log_set(quiet, NULL);
  llama_backend_init();
  struct llama_model_params parameters = llama_model_default_params();
  parameters.vocab_only = true;
  struct llama_model *model = llama_model_load_from_file(arguments[1], parameters);
  if (!model) fail("the model does not load");
  const struct llama_vocab *vocab = llama_model_get_vocab(model);
  for (int parse; (parse = getchar()) != EOF;) {
    uint32_t bytes = 0;
    if (fread(&bytes, sizeof bytes, 1, stdin) != 1) fail("a case is cut off");
    char *text = malloc(bytes + 1);
    int32_t *ids = malloc((bytes + 1) * sizeof *ids);
    if (!text || !ids || fread(text, 1, bytes, stdin) != bytes) fail("a text is cut off");
    const int32_t tokens =
        llama_tokenize(vocab, text, (int32_t)bytes, ids, (int32_t)bytes + 1, false, parse == 1);
    if (tokens < 0) fail("more tokens than bytes");
    fwrite(&tokens, sizeof tokens, 1, stdout);
    fwrite(ids, sizeof *ids, (size_t)tokens, stdout);
    free(text);
    free(ids);
  }
  llama_model_free(model);
  return 0;
}
