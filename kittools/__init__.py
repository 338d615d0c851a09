"""The makers' tools: everything behind `./kit`, and nothing that a notebook calls.

`cli` is the command line. Most commands have a module or package of their own: `course` executes
lessons, `doctor` checks the machine, `bundle` packs for rooms without a network, `soak` tries to
break the kit, `bench/` measures and `site/` builds the pages. `sample_data`, `lock_jars` and
`readme_picture` make files that are committed. All may import kitlib; kitlib imports none of them.
"""
