# SPDX-License-Identifier: MIT
"""The no-op of the plugin exec: does the kind echo and gives nothing back."""
import lathe_plugin

plugin = lathe_plugin.Plugin("noop", "1.0")


@plugin.kind("echo")
def echo(job):
    return None


plugin.run()
