namespace ChannelSdk.Services.Install;

/// <summary>First byte of each message of an install.Run stream (install.proto).</summary>
public enum InstallMessage : byte
{
    /// <summary>To the guest: an InstallScript.</summary>
    Script = 1,
    /// <summary>To the guest: all scripts are there, the half begins.</summary>
    Start = 2,
    /// <summary>Both ways: a message between the halves.</summary>
    Message = 16,
    /// <summary>Both ways: the name of a barrier that the sender's half has reached.</summary>
    Barrier = 17,
    /// <summary>Both ways: a ScriptEnded of the sender's half.</summary>
    Ended = 18,
    /// <summary>Both ways: the sender's half has received one message.</summary>
    Received = 19,
    /// <summary>To the host: what the half wrote to its standard output.</summary>
    Output = 32,
    /// <summary>To the host: what the half wrote to its standard error.</summary>
    Error = 33,
    /// <summary>To the host: an InstallProgress.</summary>
    Progress = 34,
    /// <summary>To the host: an InstallLog.</summary>
    Log = 35,
    /// <summary>To the host: the result that the half has set.</summary>
    Result = 36,
    /// <summary>To the host: a DataEnd, the data of a disk was moved.</summary>
    DataEnd = 37,
    /// <summary>To the host: a DataSize, an estimate of the data of a disk.</summary>
    DataSize = 38,
    /// <summary>To the host: the first install.Data may be opened.</summary>
    DataReady = 39,
}
