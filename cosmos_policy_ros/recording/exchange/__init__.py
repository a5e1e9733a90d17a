# SPDX-License-Identifier: Apache-2.0
"""Episodes in the data formats of others: exported from ours, imported into ours.

Every format works on `recording.step.SteppedEpisode`: exports write its steps, imports provide
them. `formats` lists the formats; `export_run` and `import_run` do many episodes at a time.
May import: what recording may.
"""
