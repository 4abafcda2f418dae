#include "image.h"

#include <array>
#include <cstring>

namespace iotkit {

namespace {

// That another download of the same notice would not mend: what is there is of no use.
bool IsWrongImage(int error) {
  return error == IK_EDIGEST_MISMATCH || error == IK_ESIZE_MISMATCH || error == IK_ESIGNATURE ||
         error == IK_ESIGNATURE_MISSING;
}

} // namespace

Image::Image(iotkit_job_t *job, std::string name) : job_(job), name_(std::move(name)) {}

Image::~Image() {
  Release();
  iotkit_job_unref(job_);
}

int Image::Judge(int error) {
  wrong_ = wrong_ || IsWrongImage(error);
  return error;
}

int Image::Open(const std::vector<Target> &targets, bool keyed, char *detail) {
  files_.reserve(targets.size());
  for (const Target &target : targets) {
    int rc = OpenTarget(target, keyed, detail);
    if (rc < 0) return rc;
  }
  return 0;
}

int Image::OpenTarget(const Target &target, bool keyed, char *detail) {
  const iotkit_upgrade *upgrade = iotkit_job_upgrade(job_);
  iotkit_file_options options = {};
  options.size = upgrade->size;
  options.mode = target.mode;
  options.in_place = target.in_place;
  options.base = target.base;
  options.make_directory = !name_.empty();
  if (!target.journal.empty()) options.journal = target.journal.c_str();
  if (keyed) {
    options.digest_method = upgrade->digest_method;
    std::memcpy(options.digest, upgrade->digest, sizeof options.digest);
  }
  std::string path = target.path;
  if (!name_.empty()) path += "/" + name_;
  iotkit_file_t *file = nullptr;
  int rc = iotkit_file_open(path.c_str(), &options, &file, detail);
  if (rc == 0) files_.push_back(file);
  return rc;
}

// Each call begins the job's digest again, so that the last one counts: that of the file that has
// the least.
int Image::Resume(char *detail) {
  iotkit_file_t *least = nullptr;
  for (iotkit_file_t *file : files_) {
    int64_t there = iotkit_file_resume(file, job_, detail);
    if (there < 0) return static_cast<int>(there);
    if (least != nullptr && static_cast<uint64_t>(there) > resumed_) continue;
    least = file;
    resumed_ = static_cast<uint64_t>(there);
  }
  if (files_.empty() || least == files_.back()) return 0;
  int64_t there = iotkit_file_resume(least, job_, detail);
  if (there < 0) return static_cast<int>(there);
  resumed_ = static_cast<uint64_t>(there);
  return 0;
}

int64_t Image::Fetch(Block *block, uint32_t timeout_ms, char *detail) {
  int64_t got = iotkit_job_fetch(job_, block->data, block->capacity, timeout_ms, &block->offset);
  if (got == IK_EINTERRUPTED) return 0;
  if (got < 0) {
    int error = iotkit_job_error(job_, detail);
    return Judge(error != 0 ? error : static_cast<int>(got));
  }
  block->length = static_cast<size_t>(got);
  return got;
}

int Image::Write(const Block &block, char *detail) {
  for (iotkit_file_t *file : files_) {
    int rc = iotkit_file_write(file, block.offset, block.data, block.length, detail);
    if (rc < 0) return rc;
  }
  return 0;
}

int Image::Digest(const Block &block) {
  int rc = iotkit_job_digest(job_, block.offset, block.data, block.length);
  if (rc < 0) return rc;
  for (iotkit_file_t *file : files_)
    iotkit_file_checkpoint(file, job_);
  return 0;
}

int Image::Check(bool *again) {
  int rc = iotkit_job_check(job_);
  *again = rc == IK_EDIGEST_MISMATCH && resumed_ > 0 && !rewound_;
  if (!*again) return Judge(rc);
  rewound_ = true;
  return iotkit_job_rewind(job_);
}

int Image::Rewind(char *detail) {
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < files_.size(); i++)
    rc = iotkit_file_rewind(files_[i], detail);
  return rc;
}

int Image::Commit(char *detail) {
  int rc = 0;
  while (rc == 0 && !files_.empty()) {
    rc = iotkit_file_commit(files_.front(), size(), detail);
    files_.erase(files_.begin());
  }
  return rc;
}

int Image::CommitAll(const std::vector<std::unique_ptr<Image>> &images, char *detail) {
  while (!images.front()->files_.empty()) {
    std::array<iotkit_file_t *, IOTKIT_FILES_MAX> files;
    std::array<uint64_t, IOTKIT_FILES_MAX> sizes;
    size_t count = 0;
    for (const auto &image : images) {
      files[count] = image->files_.front();
      sizes[count] = image->size();
      image->files_.erase(image->files_.begin());
      count++;
    }
    int rc = iotkit_file_commit_all(files.data(), sizes.data(), count, detail);
    if (rc < 0) return rc;
  }
  return 0;
}

void Image::Release() {
  for (iotkit_file_t *file : files_) {
    if (wrong_) {
      iotkit_file_discard(file);
    } else {
      iotkit_file_keep(file, job_);
    }
  }
  files_.clear();
}

} // namespace iotkit
