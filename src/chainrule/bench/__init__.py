"""The benchmark: generated code of every target against what people would use in its place, taking turns in one run.

`cases` says what is timed, `peers` holds what it is timed against, one file for each library; `turns` runs them: each
contender in a process of its own (`worker`), results compared before anything is timed. `record` is the outcome as
data, `table`, `drawing` and `page` show it. To add a peer: a function in `peers` that prepares it and a line in its
`CONTENDERS`; to add a row: a `Case` in `cases`.
"""
