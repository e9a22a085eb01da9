"""The identities of the note, by its numbers: section 2, (1) to (7) are 2.1 to 2.7 here."""

from __future__ import annotations

from chainrule.book.record import NOTE, Identity, register

__all__: list[str] = []

register(
    Identity(
        "2.1", "a matrix times a column, by the column", "param W : m × n\ninput x : n\nz = W x", "x",
        numerator="W", source=f"{NOTE}, section 2, (1)",
    )
)  # fmt: skip
register(
    Identity(
        "2.2", "a row times a matrix, by the row", "param W : m × n\ninput x : 1 × m\nz = x W", "x",
        numerator="Wᵀ", source=f"{NOTE}, section 2, (2)",
    )
)  # fmt: skip
register(
    Identity(
        "2.3", "a vector by itself", "input x : n\nz = x", "x",
        numerator="I", source=f"{NOTE}, section 2, (3)",
    )
)  # fmt: skip
register(
    Identity(
        "2.3 (row)", "a row by itself", "input x : 1 × n\nz = x", "x",
        numerator="I", source=f"{NOTE}, section 2, (3)",
    )
)  # fmt: skip
register(
    Identity(
        "2.4", "an elementwise function", "function f : scalar -> scalar\ninput x : n\nz = f(x)", "x",
        numerator="diag(f′(x))", source=f"{NOTE}, section 2, (4)",
    )
)  # fmt: skip
register(
    Identity(
        "2.4 (row)", "an elementwise function of a row", "function f : scalar -> scalar\ninput x : 1 × n\nz = f(x)",
        "x", numerator="diag(f′(x))", source=f"{NOTE}, section 2, (4)",
    )
)  # fmt: skip
register(
    Identity(
        "2.4 (matrix)", "an elementwise function of a matrix",
        "function f : scalar -> scalar\ninput X : m × n\nZ = f(X)", "X",
        upstream="Δ", shape="Δ ∘ f′(X)", source=f"{NOTE}, section 2, (4), for every entry of a matrix",
    )
)  # fmt: skip
register(
    Identity(
        "2.5", "a matrix times a column, by the matrix", "param W : m × n\ninput x : n\nz = W x", "W",
        upstream="δ", numerator="x δ", shape="δᵀ xᵀ", source=f"{NOTE}, section 2, (5)",
    )
)  # fmt: skip
register(
    Identity(
        "2.6", "a row times a matrix, by the matrix", "param W : m × n\ninput x : 1 × m\nz = x W", "W",
        upstream="δ", numerator="δᵀ x", shape="xᵀ δ", source=f"{NOTE}, section 2, (6)",
    )
)  # fmt: skip
register(
    Identity(
        "2.7", "cross-entropy of a softmax, by the logits",
        "input θ : n\nlabel y : n, rows sum to 1\nŷ = softmax(θ)\nJ = CE(y, ŷ)", "θ",
        numerator="(ŷ − y)ᵀ", shape="ŷ − y", conditions=("the entries of y sum to 1, as a one-hot label's do",),
        source=f"{NOTE}, section 2, (7)",
    )
)  # fmt: skip
register(
    Identity(
        "2.7 (row)", "cross-entropy of a softmax, by the logits in a row",
        "input θ : 1 × n\nlabel y : 1 × n, rows sum to 1\nŷ = softmax(θ)\nJ = CE(y, ŷ)", "θ",
        numerator="ŷ − y", shape="ŷ − y", conditions=("the entries of y sum to 1, as a one-hot label's do",),
        source=f"{NOTE}, section 2, (7)",
    )
)  # fmt: skip
register(
    Identity(
        "2.7 (batch)", "cross-entropy of a softmax along rows, by the logits",
        "input Θ : N × n\nlabel Y : N × n, rows sum to 1\nŶ = softmax(Θ)\nc = CE(Y, Ŷ)", "Θ",
        upstream="δ", shape="δᵀ ∘ (Ŷ − Y)", conditions=("each row of Y sums to 1, as a one-hot label's do",),
        source=f"{NOTE}, section 2, (7), for each row",
    )
)  # fmt: skip
register(
    Identity(
        "2.7 (any y)", "cross-entropy of a softmax, nothing known of the label",
        "input θ : n\nlabel y : n\nŷ = softmax(θ)\nJ = CE(y, ŷ)", "θ",
        numerator="((1ᵀ y) ŷ − y)ᵀ", shape="(1ᵀ y) ŷ − y",
        source=f"{NOTE}, section 2, (7), without its assumption",
    )
)  # fmt: skip
register(
    Identity(
        "2.7 (softmax)", "the Jacobian of the softmax", "input θ : n\nŷ = softmax(θ)", "θ",
        numerator="diag(ŷ) − ŷ ŷᵀ", source="Bridle 1990; used by the note for (7)",
    )
)  # fmt: skip
register(
    Identity(
        "2.7 (cross-entropy)", "the cross-entropy, by the prediction", "input p : n\nlabel y : n\nJ = CE(y, p)", "p",
        numerator="−(y ./ p)ᵀ", shape="−y ./ p",
        source=f"{NOTE}, section 2, before (7)",
    )
)  # fmt: skip
