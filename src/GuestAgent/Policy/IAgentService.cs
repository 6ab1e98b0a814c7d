namespace ChannelSdk.GuestAgent.Policy;

/// <summary>A service of the agent, which knows its own methods. The daemon has one line for each.</summary>
internal interface IAgentService
{
    /// <summary>
    /// Registers its methods. What is answered on the channel's receive path, as the ping is, computes and no more: it opens no file and
    /// never waits.
    /// </summary>
    void Register(ServiceGate gate);
}
