"""DescriptorSample: Examples of the stage mtr, whose labels are RDKit's descriptors."""
