using System.Globalization;
using System.Runtime.Versioning;
using ChannelSdk.Bench;
using ChannelSdk.Bench.Core;
using ChannelSdk.Bench.Data;
using ChannelSdk.Bench.Files;
using ChannelSdk.Bench.Guest;
using ChannelSdk.Bench.Http;
using ChannelSdk.Bench.Qga;
using ChannelSdk.Bench.Wire;
using ChannelSdk.Bench.Workers;

[assembly: SupportedOSPlatform("linux")]

// Benches with a number of rounds take it behind their names.
var rounds = 0;
if (args is ["wire" or "http" or "files" or "transports" or "data" or "qga", var text, ..]
    && (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out rounds) || rounds is < 1 or > 1000))
{
    Console.Error.WriteLine($"bench: '{text}' is no number of rounds from 1 to 1000");
    return 2;
}

return args switch
{
    ["wire"] => await WireBench.RunAsync(5, []),
    ["wire", _, .. var names] => await WireBench.RunAsync(rounds, names),
    ["http", ..] => await HttpBench.RunAsync(rounds > 0 ? rounds : 5),
    ["http-peer", var folder, var port, var instances] => await HttpBench.RunPeerAsync(folder,
        int.Parse(port, CultureInfo.InvariantCulture), int.Parse(instances, CultureInfo.InvariantCulture)),
    ["files", ..] => await FileBench.RunAsync(rounds > 0 ? rounds : 3),
    ["transports", ..] => await TransportBench.RunAsync(rounds > 0 ? rounds : 5),
    ["data", _, var size, ("export" or "import") and var only] => await DataBench.RunAsync(rounds, int.Parse(size, CultureInfo.InvariantCulture), only),
    ["data", _, var size] => await DataBench.RunAsync(rounds, int.Parse(size, CultureInfo.InvariantCulture), ""),
    ["data", ..] => await DataBench.RunAsync(rounds > 0 ? rounds : 3, 1024, ""),
    ["qga", ..] => await QgaBench.RunAsync(rounds > 0 ? rounds : 5),
    ["workers"] => await WorkerBench.RunAsync(200),
    ["workers", var count] when int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var instances) && instances is > 0 and <= 5000 => await WorkerBench.RunAsync(instances),
    ["worker-guests", var folder, var count] => await WorkerBench.RunGuestsAsync(folder, int.Parse(count, CultureInfo.InvariantCulture)),
    ["agent"] => await AgentBench.RunAsync(),
    ["core", .. var rest] => CoreBench.Run(rest),
    ["peer", var contender, var socket] => await Contenders.RunPeerAsync(contender, socket),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("bench: expected wire [ROUNDS [CONTENDER...]], http [ROUNDS], files [ROUNDS], transports [ROUNDS], data [ROUNDS [MIB [export|import]]], qga [ROUNDS], workers [INSTANCES], agent or core; run bench/run, which prepares what they need");
    return 2;
}
