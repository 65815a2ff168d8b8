/* Which bench a page is: bench.html is the stream's, bench.html?downloads that of the downloads. */
import "../styles/base.css";

if (location.search.includes("downloads")) void import("./downloads");
else void import("./stream");
