"""How the modules of the package import each other."""

import grimp
import networkx as nx


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("napari_retina_seg", exclude_type_checking_imports=True)
    imports = nx.DiGraph()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            imports.add_edge(module, imported)
    circles = [sorted(part) for part in nx.strongly_connected_components(imports)]
    assert [circle for circle in circles if len(circle) > 1] == []
