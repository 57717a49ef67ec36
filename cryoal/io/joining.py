"""Several particle lists in one table that RELION can still read."""

from dataclasses import replace

import pandas as pd

from cryoal.core.particles import ParticleSet
from cryoal.io.relion_star import group_number


def renumber_optics(parts: list[ParticleSet]) -> list[ParticleSet]:
    """Give optics groups of later files new numbers where they collide with other groups.

    Two files may both call their first group 1; joined, one table would describe both.
    """
    first = parts[0].blocks.get("optics")
    if first is None or "rlnOpticsGroup" not in first:
        return parts
    merged = first
    out = [parts[0]]
    for part in parts[1:]:
        optics = part.blocks.get("optics")
        if optics is None or "rlnOpticsGroup" not in optics or "rlnOpticsGroup" not in part.table:
            out.append(part)
            continue
        numbers: dict[str, str] = {}
        for _, row in optics.iterrows():
            group = group_number(str(row["rlnOpticsGroup"]))
            others = merged.drop(columns="rlnOpticsGroup").to_dict("records")
            same = [
                i for i, other in enumerate(others) if other == row.drop("rlnOpticsGroup").to_dict()
            ]
            if same:
                numbers[group] = str(merged["rlnOpticsGroup"].iloc[same[0]])
                continue
            taken = set(merged["rlnOpticsGroup"])
            free = next(str(i) for i in range(1, len(taken) + 2) if str(i) not in taken)
            numbers[group] = group if group not in taken else free
            new = pd.DataFrame([row.to_dict() | {"rlnOpticsGroup": numbers[group]}], dtype=str)
            merged = pd.concat([merged, new], ignore_index=True).fillna("0")
        groups = part.table["rlnOpticsGroup"].map(group_number).map(numbers)
        table = part.table.assign(rlnOpticsGroup=groups)
        out.append(replace(part, table=table))
    out[0] = replace(out[0], blocks={**out[0].blocks, "optics": merged})
    return out


def fill_columns(parts: list[ParticleSet]) -> list[ParticleSet]:
    """Give every list the columns of all: 0 in columns of numbers, "None" in columns of text.

    RELION reads neither an empty value nor a row that is too short.
    """
    examples: dict[str, pd.Series] = {}
    for part in parts:
        for column in part.table.columns:
            examples.setdefault(str(column), part.table[column])
    filled = []
    for part in parts:
        table = part.table.copy()
        for column, example in examples.items():
            if column in table:
                continue
            if column == "rlnTomoParticleName":
                table[column] = pd.Series(part.id, index=table.index, dtype=str)
            elif column == "rlnOpticsGroup":
                table[column] = str(example.iloc[0])  # 0 would be a group that is not there
            else:
                is_number = pd.to_numeric(example, errors="coerce").notna().all()
                table[column] = "0" if is_number else "None"
        filled.append(replace(part, table=table[list(examples)]))
    return filled
