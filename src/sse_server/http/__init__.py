"""HTTP without sockets: requests, responses, and the machines that read and write them."""
