namespace ChannelSdk.GuestAgent.Platform.Network;

/// <summary>What takes the messages of a table of the kernel.</summary>
internal interface INetworkTable
{
    /// <summary>Forgets what was taken: the table has changed while it was read, and comes again.</summary>
    void Clear();

    /// <summary>Takes an entry.</summary>
    /// <param name="type">Its kind, an RTM_NEW number.</param>
    /// <param name="body">What follows the message's header.</param>
    void Add(int type, ReadOnlySpan<byte> body);
}
