# R's quantreg on a problem of the quantile benchmark; see quantile_run.py for the files.
# Arguments: method (br, fnb, pfn), folder of the problem, every how many-th segment, repeats, file.
suppressPackageStartupMessages(library(quantreg))
given <- commandArgs(trailingOnly = TRUE)
read_all <- function(name, what, size) {
  path <- file.path(given[2], name)
  readBin(path, what, n = file.size(path) / size, size = size)
}
values <- read_all("values", "double", 8)
design <- matrix(read_all("design", "double", 8), nrow = length(values))
starts <- read_all("starts", "integer", 4)
chosen <- seq(1, length(starts) - 1, by = as.integer(given[3]))
taus <- c(0.05, 0.25, 0.5, 0.75, 0.95)
solve <- list(br = rq.fit.br, fnb = rq.fit.fnb, pfn = rq.fit.pfn)[[given[1]]]
parts <- lapply(chosen, function(s) {
  rows <- (starts[s] + 1):starts[s + 1]
  list(x = design[rows, , drop = FALSE], y = values[rows])
})
fit_all <- function(parts) {
  lapply(parts, function(part) sapply(taus, function(tau) {
    suppressWarnings(solve(part$x, part$y, tau = tau)$coefficients)
  }))
}
set.seed(1)
invisible(fit_all(lapply(parts[1], function(part) list(x = part$x[1:50, ], y = part$y[1:50]))))
wall <- cpu <- Inf
for (round in seq_len(as.integer(given[4]))) {
  spent <- system.time(found <- fit_all(parts))
  wall <- min(wall, spent[["elapsed"]])
  cpu <- min(cpu, spent[["user.self"]] + spent[["sys.self"]])
}
# sapply gives (columns, levels) per segment; a row per segment and level is wanted.
table <- t(do.call(cbind, found))
writeBin(as.vector(table), given[5], size = 8)
version <- as.character(packageVersion("quantreg"))
cat(sprintf('{"segments": %d, "wall_s": %.6f, "cpu_s": %.6f, "version": "%s"}\n',
            length(chosen), wall, cpu, version))
