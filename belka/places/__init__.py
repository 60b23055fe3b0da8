"""Places that are no folders of this machine: object stores, and the copies here that the steps work on."""
