#include "test_support.h"

#include "runtime/data/identity.h"

#include <sys/stat.h>

using namespace gptc::runtime;

namespace {

TEST(DataIdentity, TellsFilesApart) {
  TemporaryDirectory directory;
  std::string path = directory.file("text"), text(size_t(3) << 20, 'x');
  writeAll(path, text);
  DataIdentity then = valueOf(DataIdentity::of(path));
  EXPECT_EQ(then.bytes, int64_t(text.size()));
  EXPECT_EQ(messageOf(then.checkUnchanged()), "");
  auto now = [&] { return valueOf(DataIdentity::of(path)); };
  EXPECT_EQ(differences(then, now(), "--data"), "");
  // Written again, at another time and in another place: the same data.
  writeAll(directory.file("copy"), text);
  EXPECT_EQ(differences(then, valueOf(DataIdentity::of(directory.file("copy"))), "--data"), "");
  // Any byte, wherever it is.
  for (size_t at : {size_t(0), text.size() / 2 + 17, text.size() - 1}) {
    std::string other = text;
    other[at] = 'y';
    writeAll(path, other);
    EXPECT_CONTAINS(differences(then, now(), "--data"), "as many bytes, 3145728, but not the same ones");
    EXPECT_CONTAINS(messageOf(then.checkUnchanged()), "changed by another process");
  }
  writeAll(path, text + "z");
  EXPECT_CONTAINS(differences(then, now(), "--data"), "3145728 bytes when the run began, now 3145729");
  EXPECT_CONTAINS(differences({then, then}, now(), "--val"), "--val gave 2 files");
  auto read = DataIdentity::fromJson(llvm::json::Value(then.toJson()));
  ASSERT_TRUE(read);
  EXPECT_EQ(differences(*read, then, "--data"), "");
  EXPECT_CONTAINS(messageOf(DataIdentity::of(directory.file("none"))), "No such file");
  EXPECT_EQ(valueOf(DataIdentity::of("/dev/null")).hash, "");
}

} // namespace
