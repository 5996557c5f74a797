"""Strongly connected components (Tarjan 1972, https://doi.org/10.1137/0201010), without recursion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def strong_components(ahead: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """``ahead[n]`` are the nodes behind node ``n``. Every node is in exactly one component."""
    found: dict[int, int] = {}
    lowest: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    for root in range(len(ahead)):
        if root in found:
            continue
        work = [(root, iter(ahead[root]))]
        found[root] = lowest[root] = len(found)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, rest = work[-1]
            after = next(rest, None)
            if after is None:
                work.pop()
                if work:
                    above = work[-1][0]
                    lowest[above] = min(lowest[above], lowest[node])
                if lowest[node] == found[node]:
                    component: list[int] = []
                    while not component or component[-1] != node:
                        component.append(stack.pop())
                        on_stack.discard(component[-1])
                    yield component
            elif after not in found:
                found[after] = lowest[after] = len(found)
                stack.append(after)
                on_stack.add(after)
                work.append((after, iter(ahead[after])))
            elif after in on_stack:
                lowest[node] = min(lowest[node], found[after])
