// The fields of train { } and generate { }: the one list of them.
#pragma once

#include <string>
#include <vector>

namespace gptc {

struct ConfigField {
  std::string name;
  std::string value;     // as it is written: "32, all or tokens(4096)"
  std::string meaning;
  std::string otherwise; // what holds where it is not given; empty: it must be
};

const std::vector<ConfigField> &trainFields();
const std::vector<ConfigField> &generateFields();

} // namespace gptc
