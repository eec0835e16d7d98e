from project_fixtures import ann, bob, folder, image, make, open_as, write_scan

__all__ = ["ann", "bob", "folder", "image", "make", "open_as", "write_scan"]
