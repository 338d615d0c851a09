"""The makers' tools: everything behind `./kit`, and nothing that a notebook calls.

`cli` is the command line. Each command has a module or a package here: `course` executes lessons,
`doctor` checks the machine, `bundle` packs for rooms without a network, `soak` tries to break the
kit, `bench/` measures and `site/` builds the pages. `sample_data`, `lock_jars` and `readme_picture`
make files that are committed. These modules import kitlib; kitlib never imports them.
"""
