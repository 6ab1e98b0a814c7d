using ChannelSdk.Bench;
using ChannelSdk.Bench.Core;
using ChannelSdk.Bench.Wire;

return args switch
{
    ["wire", .. var rest] => await WireBench.RunAsync(rest.Length > 0 ? int.Parse(rest[0], System.Globalization.CultureInfo.InvariantCulture) : 5),
    ["agent"] => await AgentBench.RunAsync(),
    ["core", .. var rest] => CoreBench.Run(rest),
    ["peer", var contender, var socket] => await Contenders.RunPeerAsync(contender, socket),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("bench: expected wire [ROUNDS], agent or core; run bench/run, which prepares what they need");
    return 2;
}
