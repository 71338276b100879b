"""Files and processes: label maps, images, folders of maps, worker pools. No torch, no registry."""
