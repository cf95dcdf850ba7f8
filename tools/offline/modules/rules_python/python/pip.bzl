"""What BUILD files may do with a wheel."""

load("//python/private:whl_filegroup.bzl", _whl_filegroup = "whl_filegroup")

whl_filegroup = _whl_filegroup
