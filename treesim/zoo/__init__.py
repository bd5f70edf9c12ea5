"""The zoo: published samplers as their users would write them, in plain Python against the oracle, a file each.

They are offered by entry points, in the group ``treesim.samplers``, and loaded when a spec names them. Their laws
come from the enumeration of their random choices; docs/zoo.md says what each aims at, what it costs and where it fails.
"""
