"""The extension `pip`: hubs of locked wheels, each fetched by pip when first needed."""

load("//python/private:lock.bzl", "parse_lock")
load("//python/private:wheel_library.bzl", "wheel_hub", "wheel_library")

def _make_hub(hub, locked):
    for name, requirement in locked.items():
        wheel_library(
            name = "{}_{}".format(hub, name),
            hub = hub,
            locked = sorted(locked),
            requirement = requirement,
        )
    wheel_hub(
        name = hub,
        hub = hub,
        distributions = sorted(locked),
    )

def _pip_impl(module_ctx):
    owners = {}
    for mod in module_ctx.modules:
        for tag in mod.tags.parse:
            hub = tag.hub_name
            if hub in owners:
                if owners[hub] != mod.name:
                    fail("the hub {} is declared by {} and by {}".format(hub, owners[hub], mod.name))
                continue  # the same lock for another version of Python
            owners[hub] = mod.name
            locked, problem = parse_lock(module_ctx.read(tag.requirements_lock))
            if problem:
                fail("{}: {}".format(tag.requirements_lock, problem))
            _make_hub(hub, locked)

pip = module_extension(
    implementation = _pip_impl,
    doc = "Makes the repositories of locked wheels.",
    tag_classes = {
        "parse": tag_class(
            doc = "A hub: a repository in which //NAME is the library of a locked distribution.",
            attrs = {
                "hub_name": attr.string(
                    mandatory = True,
                    doc = "Name of the repository.",
                ),
                "python_version": attr.string(
                    doc = "The version that the lock is for; wheels are those of the machine's own.",
                ),
                "requirements_lock": attr.label(
                    mandatory = True,
                    doc = "The lock, as pip-compile and uv write it, with hashes.",
                ),
            },
        ),
    },
)
