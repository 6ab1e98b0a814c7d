using ChannelSdk.Bench;
using ChannelSdk.Bench.Core;
using ChannelSdk.Bench.Wire;

return args switch
{
    ["wire"] => await WireBench.RunAsync(5, []),
    ["wire", var rounds, .. var names] => await WireBench.RunAsync(int.Parse(rounds, System.Globalization.CultureInfo.InvariantCulture), names),
    ["agent"] => await AgentBench.RunAsync(),
    ["core", .. var rest] => CoreBench.Run(rest),
    ["peer", var contender, var socket] => await Contenders.RunPeerAsync(contender, socket),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("bench: expected wire [ROUNDS [CONTENDER...]], agent or core; run bench/run, which prepares what they need");
    return 2;
}
