namespace ChannelSdk.InWorker;

/// <summary>Numbers of system calls on x86-64 (asm/unistd.h), for probes of calls that the C library would change on their way.</summary>
internal static class NativeNumbers
{
    public const int MProtect = 10;
    public const int GetPid = 39;
    public const int Socket = 41;
    public const int Connect = 42;
    public const int Bind = 49;
    public const int Clone = 56;
    public const int ExecVe = 59;
    public const int MkDir = 83;
    public const int SetRLimit = 160;
    public const int OpenAt = 257;
    public const int NewFStatAt = 262;
    public const int PRLimit = 302;
}
