"""Code plans: from a program of equations to an ordered list of array operations with their memory."""

from chainrule.plan.build import Plan, build_plan
from chainrule.plan.chunking import Chunks, Request, read_request
from chainrule.plan.contraction import Form, contraction_form
from chainrule.plan.graph import Node, Operand
from chainrule.plan.loops import Lag, LoopPlan, Store, Taken
from chainrule.plan.numbers import Coefficient
from chainrule.plan.schedule import Block

__all__ = [
    "Block",
    "Chunks",
    "Coefficient",
    "Form",
    "Lag",
    "LoopPlan",
    "Node",
    "Operand",
    "Plan",
    "Request",
    "Store",
    "Taken",
    "build_plan",
    "contraction_form",
    "read_request",
]
