-- Takes rows of one landing into a month under construction, frozen; leans on no index.
COPY {nest} ({columns}) FROM STDIN (FORMAT BINARY, FREEZE)
