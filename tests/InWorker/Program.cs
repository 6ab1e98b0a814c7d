using ChannelSdk.InWorker;
using ChannelSdk.Worker;

// in-worker: starts as channel-worker does, and then tries what it is told on its control socket. in-worker only=MEASURE has that measure
// alone, so that what the others would refuse before it reaches it.
return args is [['o', 'n', 'l', 'y', '=', .. var measure], .. var rest] ? OneMeasure.Run(measure, rest) : ConfinedStart.Run(args, ProbeLoop.Run);
