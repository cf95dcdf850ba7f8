"""Tests of reading locks, for the stand-in of rules_python."""

load("@bazel_skylib//lib:unittest.bzl", "asserts", "unittest")
load("//tools/offline:modules/rules_python/python/private/lock.bzl", "parse_lock")

_LOCK = """\
# A comment.
--only-binary :all:
Jinja2==3.1.6 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via -r requirements.in
zope.interface[test]==7.0 ; python_version >= "3.8" --hash=sha256:cc  # why
"""

def _lock_test_impl(ctx):
    env = unittest.begin(ctx)
    expected = {
        "jinja2": "Jinja2==3.1.6 --hash=sha256:aa --hash=sha256:bb",
        "zope_interface": "zope.interface[test]==7.0 ; python_version >= \"3.8\" --hash=sha256:cc",
    }
    asserts.equals(env, (expected, None), parse_lock(_LOCK))
    asserts.equals(env, (expected, None), parse_lock(_LOCK.replace("\n", "\r\n")))
    asserts.equals(
        env,
        (None, "the lock has \"jinja2==3.1.6\" without a hash"),
        parse_lock(_LOCK + "jinja2==3.1.6\n"),
    )
    asserts.equals(
        env,
        (None, "the lock has \"jinja2>=3\", which pins no version with =="),
        parse_lock("jinja2>=3 --hash=sha256:aa\n"),
    )
    return unittest.end(env)

lock_test = unittest.make(_lock_test_impl)
