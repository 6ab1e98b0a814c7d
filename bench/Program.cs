using ChannelSdk.Bench;
using ChannelSdk.Bench.Core;
using ChannelSdk.Bench.Files;
using ChannelSdk.Bench.Guest;
using ChannelSdk.Bench.Http;
using ChannelSdk.Bench.Qga;
using ChannelSdk.Bench.Wire;

return args switch
{
    ["wire"] => await WireBench.RunAsync(5, []),
    ["wire", var rounds, .. var names] => await WireBench.RunAsync(int.Parse(rounds, System.Globalization.CultureInfo.InvariantCulture), names),
    ["http", .. var rest] => await HttpBench.RunAsync(rest.Length > 0 ? int.Parse(rest[0], System.Globalization.CultureInfo.InvariantCulture) : 5),
    ["http-peer", var folder, var port, var instances] => await HttpBench.RunPeerAsync(folder,
        int.Parse(port, System.Globalization.CultureInfo.InvariantCulture), int.Parse(instances, System.Globalization.CultureInfo.InvariantCulture)),
    ["files", .. var rest] => await FileBench.RunAsync(rest.Length > 0 ? int.Parse(rest[0], System.Globalization.CultureInfo.InvariantCulture) : 3),
    ["transports", .. var rest] => await TransportBench.RunAsync(rest.Length > 0 ? int.Parse(rest[0], System.Globalization.CultureInfo.InvariantCulture) : 5),
    ["qga", .. var rest] => await QgaBench.RunAsync(rest.Length > 0 ? int.Parse(rest[0], System.Globalization.CultureInfo.InvariantCulture) : 5),
    ["agent"] => await AgentBench.RunAsync(),
    ["core", .. var rest] => CoreBench.Run(rest),
    ["peer", var contender, var socket] => await Contenders.RunPeerAsync(contender, socket),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("bench: expected wire [ROUNDS [CONTENDER...]], http [ROUNDS], files [ROUNDS], transports [ROUNDS], qga [ROUNDS], agent or core; run bench/run, which prepares what they need");
    return 2;
}
