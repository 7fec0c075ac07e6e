include $(BR2_EXTERNAL_BGEXEC_PATH)/bgexec.mk
