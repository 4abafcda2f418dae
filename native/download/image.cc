#include "download/image.h"

#include <array>

namespace iotkit {

Image::Image(iotkit_image_t *image, std::string name)
    : image_(image), job_(iotkit_image_job(image)), name_(std::move(name)) {}

int Image::Open(const std::vector<Target> &targets, bool resumable, bool defers_space,
                char *detail) {
  for (const Target &target : targets) {
    int rc = OpenTarget(target, resumable, defers_space, detail);
    if (rc < 0) return rc;
  }
  return 0;
}

int Image::OpenTarget(const Target &target, bool resumable, bool defers_space, char *detail) {
  iotkit_file_options options = {};
  options.struct_size = sizeof(options);
  options.mode = target.mode;
  options.in_place = target.in_place;
  options.base = target.base;
  options.defers_space = defers_space;
  options.make_directory = !name_.empty();
  if (!target.journal.empty()) options.journal = target.journal.c_str();
  std::string path = target.path;
  if (!name_.empty()) path += "/" + name_;
  return iotkit_image_open(image_, path.c_str(), &options, resumable, detail);
}

int Image::Resume(char *detail) {
  int64_t on_disk = iotkit_image_resume(image_, detail);
  if (on_disk < 0) return static_cast<int>(on_disk);
  resumed_ = static_cast<uint64_t>(on_disk);
  return 0;
}

std::string Image::ShareKey() const {
  uint8_t key[IOTKIT_DIGEST_MAX];
  if (iotkit_job_share_key(job_, key) != 0) return "";
  return std::string(reinterpret_cast<const char *>(key), sizeof key);
}

int Image::Copy(const iotkit_original_t *original, bool links, char *detail) {
  int rc = (links ? iotkit_image_link : iotkit_image_copy)(image_, original, detail);
  if (rc == 0) resumed_ = size();
  return rc;
}

int64_t Image::Fetch(Block *block, uint32_t timeout_ms, char *detail) {
  int64_t got =
      iotkit_image_fetch(image_, block->data, block->capacity, timeout_ms, &block->offset, detail);
  if (got == IK_EINTERRUPTED) got = 0;
  block->length = got > 0 ? static_cast<size_t>(got) : 0; // a block is used many times
  return got;
}

int Image::Digest(const Block &block) {
  int rc = iotkit_job_digest(job_, block.offset, block.data, block.length);
  if (rc == 0) iotkit_image_checkpoint(image_);
  return rc;
}

int Image::Commit(const std::vector<std::unique_ptr<Image>> &images, char *detail) {
  if (images.size() == 1) return iotkit_image_commit(images.front()->image_, detail);
  std::array<iotkit_image_t *, IOTKIT_FILES_MAX> set;
  size_t count = 0;
  for (const auto &image : images)
    set[count++] = image->image_;
  return iotkit_image_commit_all(set.data(), count, detail);
}

} // namespace iotkit
