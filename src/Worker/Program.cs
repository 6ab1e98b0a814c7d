namespace ChannelSdk.Worker;

/// <summary>channel-worker: the process of one instance in which the bytes of its guest are parsed. It is as hostile as the guest.</summary>
internal static class Program
{
    private static int Main(string[] args) => ConfinedStart.Run(args, WorkerLoop.Run);
}
