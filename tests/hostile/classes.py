"""Every class of hostile input, in the order of the table."""

from tests.hostile import (
    addresses,
    again,
    bodies,
    fields,
    filenames,
    framing,
    mentions,
    proofs,
    texts,
    visitors,
)

ALL = (
    *proofs.proofs(),
    *proofs.stamps(),
    *again.replays(),
    *again.others(),
    *framing.http(),
    *visitors.status_only(),
    *bodies.bodies(),
    *fields.fields(),
    *texts.texts(),
    *texts.names(),
    *addresses.addresses(),
    *filenames.file_names(),
    *mentions.mentions(),
)
SHOWN = tuple(one for one in ALL if not one.full)
"""Those that stand in the table; the others are longer forms of them."""
